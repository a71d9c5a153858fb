"""Intel VT-x: tables, structures and checks of VMX operation (SDM vol. 3C 24-30, 3D appendices)."""
