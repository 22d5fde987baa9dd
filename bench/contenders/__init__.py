"""What is compared: each program's commands for the same work, one file a program."""
