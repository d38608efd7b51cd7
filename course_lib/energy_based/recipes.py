"""x"""
RECIPES = {}
LIVE = {}
