"""Hardware assistance: VT-x with shadow paging (first generation) or EPT."""

from techniques.hvm.ept_memory import HvmEpt
from techniques.hvm.shadow_memory import HvmShadow

TECHNIQUES = (HvmShadow, HvmEpt)
