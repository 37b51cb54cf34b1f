"""The widths and heights at which screens and sheets change, as Textual's breakpoints.

80 columns are narrow, 120 wide, 200 vast; below 72 there is one view at a time, below 60 it and the now line alone.
"""

WIDTHS = [(0, "-tiny"), (60, "-slim"), (72, "-narrow"), (110, "-wide"), (180, "-vast")]

HEIGHTS = [(0, "-flat"), (15, "-short"), (20, "-low"), (32, "-tall")]
