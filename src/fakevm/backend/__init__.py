"""Backends, the half that a lab needs: daemons and configuration. The other half, plugging, is in fakevm.vif."""
