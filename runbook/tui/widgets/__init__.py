"""Small widgets: data comes by constructor or reactive, news goes up as messages; none knows a screen or the app."""
