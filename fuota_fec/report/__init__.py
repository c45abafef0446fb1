"""Reports of campaigns, plans and simulated fleets: tables, figures and self-contained pages."""
