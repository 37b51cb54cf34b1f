"""The terminal interface: four screens over one session, see section "Screens" of ARCHITECTURE.md.

What a screen shows is folded from facts and signals by `scene` and worded by `presenter`, both without a widget;
`bridge` and `carrier` stand between the threads of the engine and the one of the screens.
"""
