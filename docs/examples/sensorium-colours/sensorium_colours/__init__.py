"""Names the colours of a picture: an example of a package that adds an engine and a tool to Sensorium."""
