package operator

// What the manager may do: all of it, and nothing that no story of the cluster tests needs (test/rbac). With
// --watch-namespaces the same is granted in these namespaces alone, but for the reviews.
//
// +kubebuilder:rbac:groups=pulumi.com,resources=stacks,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=pulumi.com,resources=programs,verbs=list;watch
// +kubebuilder:rbac:groups=pulumi.com,resources=stacks/status;programs/status,verbs=patch
// +kubebuilder:rbac:groups=auto.pulumi.com,resources=workspaces;updates,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=auto.pulumi.com,resources=workspaces/status;updates/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts;namespaces,verbs=get
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=gitrepositories;ocirepositories;buckets;helmcharts;externalartifacts,verbs=get;list;watch
//
// A Secret is read by its name, when an object names it, and never listed or watched. Written are outputs, snapshots of
// states, and copies of kubeconfigs.
//
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch
//
// An owner reference that blocks the deletion of the owner needs this on clusters that enforce permissions of owner
// references.
//
// +kubebuilder:rbac:groups=pulumi.com,resources=stacks/finalizers,verbs=update
// +kubebuilder:rbac:groups=auto.pulumi.com,resources=workspaces/finalizers,verbs=update
//
// What PKO left is removed, and its lease is looked at in whatever namespace PKO is.
//
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;delete
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=operator.pulumi.com,verbs=get
//
// Who an agent is, and who may read metrics. There is no namespace for these.
//
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
//
// In its own namespace: the lease, the certificates, the label of the leader and the address of the hub.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update,namespace=gantry-system
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch,namespace=gantry-system
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;patch,namespace=gantry-system
// +kubebuilder:rbac:groups="",resources=services,verbs=get,namespace=gantry-system
