"""What reading a REST service into the lake costs, beside a dlt pipeline and bare requests."""
