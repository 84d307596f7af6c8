"""What a person or a client may do: check, then publish a control message."""
