"""10,000 handwritten digits that ship with the package; `minigan.datasets.load("digits")` reads them."""
