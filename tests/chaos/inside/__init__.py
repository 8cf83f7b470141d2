"""An app for a town that is to be hurt: work whose effects can be counted, a web that dies at a COMMIT."""
