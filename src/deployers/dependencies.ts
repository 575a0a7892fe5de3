/** What every deployer is given beside its options. */
export interface DeployerDependencies {
  /** The target's name in configuration, for messages. */
  readonly target: string;
}
