"""Data sets: readers (VOC, COCO, YOLO), images, domains, transforms, check and convert."""
