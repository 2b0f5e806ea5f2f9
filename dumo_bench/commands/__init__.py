"""What each command does, below the command line: functions of values and folders."""
