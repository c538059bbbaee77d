"""What people look at: runs side by side."""
