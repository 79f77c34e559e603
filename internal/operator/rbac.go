package operator

// What the manager may do, beside what is said at the controllers. Of Secrets and ConfigMaps only those are read that an
// object names, each by its name; what is listed and watched is the metadata of these, one by one. Of Secrets only
// outputs are written.
//
// +kubebuilder:rbac:groups=pulumi.com,resources=stacks;programs,verbs=get;list;watch;patch;update
// +kubebuilder:rbac:groups=pulumi.com,resources=stacks/status;programs/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=pulumi.com,resources=stacks/finalizers;programs/finalizers,verbs=update
// +kubebuilder:rbac:groups=auto.pulumi.com,resources=workspaces;updates,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=auto.pulumi.com,resources=workspaces/status;updates/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=auto.pulumi.com,resources=workspaces/finalizers;updates/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts;namespaces,verbs=get
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=gitrepositories;ocirepositories;buckets;helmcharts;externalartifacts,verbs=get;list;watch
//
// PKO's lease, in whatever namespace PKO is.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=operator.pulumi.com,verbs=get
//
// In its own namespace: the lease, the certificates, the label of the leader and the address of the hub.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;list;watch;create;update;patch;delete,namespace=gantry-system
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch,namespace=gantry-system
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;patch,namespace=gantry-system
// +kubebuilder:rbac:groups="",resources=services,verbs=get,namespace=gantry-system
