"""Options and help of each command, in the module of the command's name; nothing here imports torch."""
