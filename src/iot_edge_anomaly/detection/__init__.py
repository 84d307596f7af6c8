"""Third stage: how odd is this row, by which sensors, against what was expected?"""
