"""The four screens, one per mode, each with its style sheet beside it; none knows another."""
