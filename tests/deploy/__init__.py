"""What is shipped to deploy timepoint: the image, the unit, the chart."""
