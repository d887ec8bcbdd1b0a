"""The backend openflow's half in Neutron's environment: an ML2 mechanism driver, and the hosts' controller."""
