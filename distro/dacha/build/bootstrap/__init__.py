"""Make a root file system from a distribution's packages, as an ordinary user, where no registry is."""
