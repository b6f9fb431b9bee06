"""One LightningModule per published way to train; what they share is in base.py."""

from concord.methods.base import Pretrainer
from concord.methods.clip import CLIP
from concord.methods.coca import CoCa
from concord.methods.convirt import ConVIRT
from concord.methods.filip import FILIP
from concord.methods.lit import LiT
from concord.methods.mae_clip import MAECLIP
from concord.methods.meru import MERU
from concord.methods.neg_clip import NegCLIP
from concord.methods.siglip import SigLIP
from concord.methods.silc import SILC
from concord.methods.slip import SLIP

__all__ = ["CLIP", "FILIP", "MAECLIP", "MERU", "SILC", "SLIP", "CoCa", "ConVIRT", "LiT", "NegCLIP", "Pretrainer", "SigLIP"]
