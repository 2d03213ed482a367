"""Text from user code, made safe to show, and how names are joined."""
