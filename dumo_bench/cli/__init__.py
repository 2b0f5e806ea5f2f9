"""The command line: each command's options and printing. What a command does lies in the room that it is about."""
