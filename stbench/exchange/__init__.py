"""What goes between stbench and the process of a method: the task folder and the prediction file."""
