// Package rbac compares what the manager is granted (config/rbac) with what it asked the API server for while the stories of
// the embedded cluster were told: no right too many, none too few, and no Secret that is not named. It also asks an API
// server who may do what with the roles for users.
package rbac
