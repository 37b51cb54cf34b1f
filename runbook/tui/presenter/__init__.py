"""What the screens show, computed without them: plan, state and signals become rows of words.

Pure functions, one module per thing that is shown; none imports Textual. Widgets turn rows into content.
"""
