"""Where users already live: thin bridges into other libraries, each imported on its own."""
