"""Sheets: every question of the product, and the small dialogs around a run. The safe choice has the focus."""
