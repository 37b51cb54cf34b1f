"""The widths and heights at which screens and sheets change, as Textual's breakpoints.

80 columns are narrow, 120 wide, 200 vast; below 60 there is one view and the now line.
"""

WIDTHS = [(0, "-tiny"), (60, "-narrow"), (110, "-wide"), (180, "-vast")]

HEIGHTS = [(0, "-flat"), (15, "-low"), (32, "-tall")]
