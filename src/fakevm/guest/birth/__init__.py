"""The birth of a container guest: its namespaces, its files, its first process. Standard library only.

In the order in which it has to be:

* A user namespace in which everybody is who he is outside, and the guest's network and process namespaces, which belong
  to it: so root in the guest rules its network and its processes, and nothing that is the machine's. The guest's first
  process is there from now on, and waits.
* Another process in there, who is root outside, makes the guest's files, masks over /proc among them. Then it joins the
  user namespace and takes a copy of these mounts: in a copy that belongs to a user namespace further down the kernel
  locks all mounts (mount_namespaces(7)), so the guest can take off no mask.
* The first process joins that copy, and becomes ``catatonit``, opened from a mount that cannot be written: the guest
  sees it as /proc/1/exe.
"""
