// What the door offers to do. The code of each action is loaded when it is called, since every command feels the start-up time of what it
// does not need.

/** Reads millrace.yaml or millrace.config.ts. Throws CONFIG_NOT_FOUND, or a ProjectError (CONFIG_*) that carries every problem. */
export const loadProject: typeof import('./project/load.ts').loadProject = async (...asked) => (await import('./project/load.ts')).loadProject(...asked);

export const checkProject: typeof import('./project/check.ts').checkProject = async (...asked) => (await import('./project/check.ts')).checkProject(...asked);

/**
 * Runs what `defineProject` returned, or the `project` that `loadProject` read, in this process. Returns as soon as everything is started;
 * call `stop` of the result before the program ends. Throws a ProjectError when the project is wrong, ALREADY_RUNNING when another process
 * runs it. Troubles with servers do not throw: they show in `status()` and are tried again where that may help.
 */
export const runProject: typeof import('./library.ts').runProject = async (...asked) => (await import('./library.ts')).runProject(...asked);

export const run: typeof import('./supervise/run.ts').run = async (...asked) => (await import('./supervise/run.ts')).run(...asked);

/** Verifies the named replicas, or all. Throws VERIFY_IMPOSSIBLE, or what the servers say, when they cannot be compared. */
export const verify: typeof import('./verify.ts').verify = async (...asked) => (await import('./verify.ts')).verify(...asked);

export const stoppedStatus: typeof import('./stopped.ts').stoppedStatus = async (...asked) => (await import('./stopped.ts')).stoppedStatus(...asked);

export const diagnoseProject: typeof import('./diagnose.ts').diagnoseProject = async (...asked) => (await import('./diagnose.ts')).diagnoseProject(...asked);

export const planProject: typeof import('./plan.ts').planProject = async (...asked) => (await import('./plan.ts')).planProject(...asked);

export const planRemoval: typeof import('./remove.ts').planRemoval = async (...asked) => (await import('./remove.ts')).planRemoval(...asked);

export const resync: typeof import('./resync.ts').resync = async (...asked) => (await import('./resync.ts')).resync(...asked);

export const adopt: typeof import('./adopt.ts').adopt = async (...asked) => (await import('./adopt.ts')).adopt(...asked);

export const resyncRows: typeof import('./resync.ts').resyncRows = async (...asked) => (await import('./resync.ts')).resyncRows(...asked);

export const describeSources: typeof import('./describe.ts').describeSources = async (...asked) => (await import('./describe.ts')).describeSources(...asked);

export const describeRecords: typeof import('./describe-records.ts').describeRecords = async (...asked) => (await import('./describe-records.ts')).describeRecords(...asked);

export const configurationReference = async (): Promise<string> => (await import('./project/reference.ts')).configurationReference();

export const jsonSchema = async (): Promise<object> => (await import('./project/reference.ts')).jsonSchema();
