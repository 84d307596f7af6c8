"""Would it have fired? Rows of the past through the detector and the alarm stage that ship; nothing is changed."""
