/** Which project of the workspace this browser works in; the service's own where none was chosen. */
const PROJECT = 'branchline project'
/** The repository that was entered and has not begun yet. */
const REPOSITORY = 'branchline repository'

export const chosenProject = (): string | undefined => localStorage.getItem(PROJECT) ?? undefined

/** Takes another project, or the service's own again; everything is shown anew. */
export function chooseProject(projectId: string | undefined): void {
  if (projectId === undefined) localStorage.removeItem(PROJECT)
  else localStorage.setItem(PROJECT, projectId)
  location.hash = '#/'
  location.reload()
}

/** A project for a repository, named after it: `https://github.com/you/my.site` is `my.site`. */
export function beginProject(repoUrl: string): void {
  keepRepository(repoUrl)
  const name = (/([^/]+?)(?:\.git)?\/*$/.exec(repoUrl.trim())?.[1] ?? 'site').replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  chooseProject(name.slice(0, 60) || 'site')
}

export const keptRepository = (): string => sessionStorage.getItem(REPOSITORY) ?? ''
export const keepRepository = (repoUrl: string): void => sessionStorage.setItem(REPOSITORY, repoUrl)
