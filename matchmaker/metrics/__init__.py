"""What a monitor reads: requests as every web process counts them, and the town as its rows tell it."""
