"""KX612, KX619, KX62x: what a Secret lets its login be used for."""

TEXT = """
KX612
means: The Secret does not say that it belongs to this Service, so its values were not sent
  anywhere.
how: Whoever may write Services could otherwise have any Secret sent to an address of their
  choice. The Secret therefore has to consent, in keys of its own. k8sext.service is a list of
  Services (NAME or NAME.NAMESPACE), to whose endpoints it may go while people write them: not
  where the Service is an ExternalName, has a selector, or leads to what an endpoints controller
  wrote. host (or uri) is an address or outside name: it may go there, and nowhere else than to the
  addresses if there are any. k8sext.keys are further keys that k8sext.io/credentials-keys may
  choose. k8sext.tls is any (the default), require or verify-full: the least that a connection must
  have.
see: kubectl get secret -n NAMESPACE SECRET -o json | jq '.data | keys'
repair: Add the key k8sext.service with the Service's name, or vouch for it in this run:
  --credentials-from SECRET=SERVICE
wrong: It says nothing against the login itself, which was not tried.

KX619
means: The Secret consents, but not to where this connection leads, so the login was not sent there.
  Other ways to the same bridge may have been logged in to.
how: The address that was really connected to was compared with what the Secret allows. A name in
  its key k8sext.service stands for the endpoints that people wrote for that Service; an
  ExternalName, a selector, a slice of an endpoints controller or a name that leads elsewhere since
  the objects were read is something else. Through a cluster IP a login goes only where all
  endpoints in use are allowed. An address in host or uri allows that address alone. An address that
  another Service takes for itself (spec.externalIPs) is answered by whatever stands behind that.
see: kubectl get service,endpointslices -n NAMESPACE -o yaml --show-managed-fields says who wrote
  what, and when
repair: If somebody redirected the Service, put it right. If it is to lead there, name the outside
  host or the address in the Secret's key host, or vouch for it in this run:
  --credentials-from SECRET=HOST
wrong: The bridge may have become an ExternalName, or may have moved, on purpose; then only the
  Secret is out of date.

KX621
means: The live Service leads elsewhere than the file says that was given with -f. Applications go
  where the Service leads; k8sext went to the addresses of the file, and sent its login nowhere
  else.
how: The addresses, ports and kind of the bridge in the file were compared with the Service, its
  slices and its Endpoints.
see: kubectl get service,endpointslices -n NAMESPACE -o yaml
repair: If the file is right: k8sext provision -f FILE. If the Service is, correct the file.
wrong: Hardly: both are read as they are. Between a change of the file and its roll-out it is
  expected.

KX622
means: An annotation of the Service chooses a key of the Secret that it may not choose, so no login
  was tried.
how: k8sext.io/credentials-keys may choose among the keys that logins of this protocol usually have
  (k8sext checks lists them), and among those that the Secret allows in its own key k8sext.keys.
  Whoever may edit the Service, and not read the Secret, could otherwise have any value in it sent
  to the server.
see: kubectl get service -n NAMESPACE SERVICE -o yaml; kubectl get secret -n NAMESPACE SECRET -o
  json | jq '.data | keys'
repair: Add the key's name to the Secret's key k8sext.keys (KEY, or WORD=KEY, separated by commas);
  or give the Secret a key of the usual name.
wrong: It says nothing against the login itself, which was not tried.

KX623
means: The Secret demands a better protected connection than there is, so its login was not sent.
how: The key k8sext.tls of the Secret says require or verify-full. Annotations of the Service can
  make that stricter and never weaker. For verify-full the CA is the Secret's own key ca.crt, else
  the system's, and the certificate has to be for a name of the Service, or for a host that the
  Secret names.
see: kubectl get service -n NAMESPACE SERVICE -o yaml, annotations k8sext.io/tls…
repair: Remove k8sext.io/tls: disable from the Service, put the CA into the Secret as ca.crt, and
  the name in the certificate into its key host. Or let the Secret demand less.
wrong: It says nothing against the login itself, which was not tried.
"""
