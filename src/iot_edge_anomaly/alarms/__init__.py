"""Fourth stage: when to tell a person, in the terms of ISA-18.2."""
