/** Branded strings, so that a node's id can never be passed where a replica's is meant. */
declare const brand: unique symbol;
type Branded<B extends string> = string & { readonly [brand]: B };

/** Name of an application: lower-case letters, digits and dashes, at most 63 characters. */
export type ApplicationName = Branded<"ApplicationName">;
/** Name of a deployment inside its application, same alphabet plus capitals and underscores (a class name is one). */
export type DeploymentName = Branded<"DeploymentName">;
/** `application/deployment`: names a deployment in the whole cluster. */
export type DeploymentId = Branded<"DeploymentId">;
/** Names a replica for as long as it is assigned to its node, over local restarts of its process. */
export type ReplicaId = Branded<"ReplicaId">;
/** Names a node; kept in its data directory, so it survives a restart of the worker. */
export type NodeId = Branded<"NodeId">;
/** Digest of everything that makes two replicas of a deployment interchangeable; 12 hexadecimal characters. */
export type Version = Branded<"Version">;
/** Names one request from socket to model, in logs and in `x-request-id`. */
export type RequestId = Branded<"RequestId">;
/** Lower-case hexadecimal SHA-256 of a file's or bundle manifest's bytes. */
export type Digest = Branded<"Digest">;

/** The id of deployment `deployment` of application `application`. */
export function deploymentId(application: ApplicationName, deployment: DeploymentName): DeploymentId {
  return `${application}/${deployment}` as DeploymentId;
}

/** Takes a deployment's id apart again. The application's name never holds a slash. */
export function splitDeploymentId(id: DeploymentId): { application: ApplicationName; deployment: DeploymentName } {
  const slash = id.indexOf("/");
  return {
    application: id.slice(0, slash) as ApplicationName,
    deployment: id.slice(slash + 1) as DeploymentName,
  };
}
