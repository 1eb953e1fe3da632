"""What paths cost: the same questions of the same events, asked by several sides whose answers must be equal."""
