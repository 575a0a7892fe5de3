export { RENEWAL_ROLES, ROLES, type Role } from "../domain/role.ts";
