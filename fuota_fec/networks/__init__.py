"""Network servers, behind one port."""
