"""First stage: is this reading to be believed?"""
