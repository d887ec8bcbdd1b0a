"""A lab as a picture: SVG, the languages of Graphviz and Mermaid."""
