"""What is shown, computed without a terminal: facts, plans and the clock become frozen rows. No Textual here."""
