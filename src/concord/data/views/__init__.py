"""From a pair to the views that the objectives ask for: crops, flips and colours of its image, readings of its captions."""

from concord.data.views.augment import Augmentation
from concord.data.views.image import ImageViews
from concord.data.views.policy import CaptionPolicy, require_roles
from concord.data.views.text import TextViews
from concord.data.views.views import Example, Views

__all__ = ["Augmentation", "CaptionPolicy", "Example", "ImageViews", "TextViews", "Views", "require_roles"]
