"""The fold of a year of events beside the floor: what reading, ordering and one bare pass take."""
