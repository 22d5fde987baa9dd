"""Make images: from a catalog's recipe, from archives and layouts."""
